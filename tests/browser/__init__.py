"""The pages in a real browser, on a real server over TLS.

A package, so that what its tests share (servers, the browser and its event loop) ends with the last of them.
"""
