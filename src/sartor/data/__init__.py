"""From files and calls into tables: sources, schemas, the check, the report, the table, storage."""
