"""What goes wrong, and when. Pure.

`fault_rates`: faults by rate and seed, as `--faults` has them. `fates`: what becomes of a message, which the last
digits of its phone number can fix. `course`: both together, all that happens to one request.
"""
