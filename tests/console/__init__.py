"""The console in a browser. It is a package, so that the browser is closed before other tests run event loops."""
