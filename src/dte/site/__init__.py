"""`dte site`: run the collection's playbooks for a site, show how far they are and what they changed.

`events`, `progress`, `changes` and `health` are pure: they turn what ansible-runner reports into text. Only `play`
starts anything, and only `collection` looks for files.
"""
