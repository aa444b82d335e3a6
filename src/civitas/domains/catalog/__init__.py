"""What people publish: models, versions and files, their licences, lineage, safety, downloads and search.

Invariants:

- A file's bytes never change; another upload is another file. Equal bytes are one blob.
- Nobody but the owner and staff downloads a file before a scan found it clean; a scan that failed is no pass.
- A public model has a public version with a clean main file and a picture; a version has at most one main file.
- What was public leaves a tombstone: name, base model, licence, hashes, reason.
- A lineage has no circle.
- Whatever changes what the public sees states `ModelChanged`, from which documents and listings follow.

Facts are in `tables`, what is derived from them for reading in `read_tables`.
"""
