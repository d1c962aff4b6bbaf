"""python -m finledger."""

from finledger.cli import main

if __name__ == "__main__":
    main()
