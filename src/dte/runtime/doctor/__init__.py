"""What `dte doctor` is made of: findings, checks with a time limit, and looks at what every kind of host has.

Looks (commands, files, sockets) and verdicts are apart: `judge_...` is pure. What only one component knows stands in
that component's own `doctor` module.
"""
