"""Processes, files, facts about the machine, and the formatting of messages."""
