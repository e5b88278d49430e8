"""The stages of a build: functions of what they are given, and `pipeline`, which says what is given to which."""
