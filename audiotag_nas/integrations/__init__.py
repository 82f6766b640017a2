"""Integrations with other libraries; all are optional."""
