"""How fast mnistloss is, beside what people would use instead: `make bench`.

measuring  time and memory in turns; a goal, and whether what was measured meets it
material   the files and arrays that are measured on
figures    one function for each kind of figure, and the table of all that is promised
growth     time against rows and against files
report     one run as JSON, as Markdown in README.md beside it, and on the terminal
worker     one figure or curve in a process of its own
"""
