"""Buying Buzz for money: prices, purchases, what comes of them, refunds and debts, codes and gift cards."""
