"""Words that cross a border between domains or processes: dataclasses and Pydantic models only."""
