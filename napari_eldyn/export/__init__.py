"""Movies and pictures of what a viewer shows, with a window or on a virtual screen."""
