"""`dte doctor`: what is wrong with the daemons of this host, and what to do. The checks are beside the components."""
