"""The trial's side: report metrics, and learn that a trial is to stop.

It runs in processes of users, so it imports next to nothing.
"""
