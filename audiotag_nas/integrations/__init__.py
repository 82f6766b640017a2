"""Bridges to other libraries; each is optional."""
