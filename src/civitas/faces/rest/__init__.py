"""The Site API, `/api/v1`: reads as existing clients expect them, and writes under our own names."""
