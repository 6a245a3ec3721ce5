"""The lab: a throwaway site of real systems on one machine. `docs/lab.md` tells how it is used.

Everything it makes derives from one name (`names.Lab`) and is found again by label: two commands share no
memory, two labs run side by side. Nothing here imports the project's own code, so that the lab starts when
that is broken.
"""
