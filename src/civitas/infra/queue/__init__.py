"""Background tasks on procrastinate: the queue is the outbox, in the business transaction's own connection."""
