"""The default searcher: a policy trained on a learned reward model."""
