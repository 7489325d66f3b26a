"""Lapse: notices clients who went quiet in the middle of something, and reminds each of them once."""
