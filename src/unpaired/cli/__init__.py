"""The command line. `app.py` holds the table of commands; each command is one file, imported when it is called."""
