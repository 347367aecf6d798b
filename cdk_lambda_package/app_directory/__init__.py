"""The app directory: what lies in it, which of it the layout takes, and where its handler's module is."""
