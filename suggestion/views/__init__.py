"""What people see of an experiment: live view, tables, page, exports."""
