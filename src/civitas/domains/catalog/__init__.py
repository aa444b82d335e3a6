"""What people publish: models, versions and files, their licences, lineage, safety, downloads and search."""
