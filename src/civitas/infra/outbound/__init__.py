"""Requests that we make to addresses others chose, behind a guard against server-side request forgery."""
