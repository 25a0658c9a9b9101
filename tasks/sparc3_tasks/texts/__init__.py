"""Texts: what tasks share that read texts, cut them into windows, and put a beginning before them.

A library, not a task: it registers nothing.
"""
