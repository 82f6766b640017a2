"""Which reward ranks networks best."""
