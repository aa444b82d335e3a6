"""Outgoing mail: SMTP when configured, otherwise a mailbox page that only this instance shows."""
