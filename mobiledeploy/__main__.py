"""`python -m mobiledeploy`."""

from mobiledeploy.cli.main import main

if __name__ == "__main__":
    main()
