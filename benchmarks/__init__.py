"""Speed and memory of mnistloss beside what people would use instead: `make bench`.

measuring  measures time and memory in turns, and compares the ratio with its goal
material   makes the files and arrays to measure on
figures    has a function for each kind of figure, and the table of all figures with their goals
coverage   simulates how often intervals hold, for docs/explanation.md
growth     measures time against rows and against files
report     writes one run as JSON, as Markdown in README.md beside it, and on the terminal
worker     measures one figure or curve in a separate process
"""
