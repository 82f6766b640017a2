"""`python -m audiotag_nas` runs the console command `audiotag-nas`."""

from audiotag_nas.command_line.console import main

if __name__ == "__main__":
    main()
