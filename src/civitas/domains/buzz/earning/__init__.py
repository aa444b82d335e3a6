"""How people earn Buzz: rewards, adverts, tips, the shares of creators, invitations."""
