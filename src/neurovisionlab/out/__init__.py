"""What people see: tables, figures, reports. Reads records, never trains."""
