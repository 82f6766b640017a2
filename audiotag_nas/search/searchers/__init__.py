"""All searchers except the default one, which is in `search.reinforce`."""
