"""ALISE: links a site's accounts to federated identities, and answers the services that ask for them."""
