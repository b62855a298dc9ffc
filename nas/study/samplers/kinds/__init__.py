"""The samplers that are shipped; every module of this package registers its own."""
