"""The live feed: calls that stay open and tell what has changed. They run in the event loop, and hold no thread.

database ◄─ tail (a thread) ─► hub ─► listener of each client (event loop) ─► WebSocket, event stream, long poll

| file         | what it does                                                                       |
|--------------|------------------------------------------------------------------------------------|
| app.py       | the ASGI application, and which calls are its own                                  |
| asking.py    | the query of a call                                                                |
| backlog.py   | the frames that wait for one client                                                |
| calls.py     | what every such call does: takes a place, follows, ends in time, is counted        |
| endings.py   | why streams end                                                                    |
| entrance.py  | lets callers in                                                                    |
| following.py | one subscription of one stream                                                     |
| hub.py       | who must be told what, after something has changed for a person                    |
| limits.py    | how many streams there may be                                                      |
| listener.py  | the end of one stream in the event loop                                            |
| messages.py  | the messages, as JSON                                                              |
| poll.py      | long polls                                                                         |
| registry.py  | all followings of this worker                                                      |
| sending.py   | the task that sends to one client                                                  |
| stream.py    | server-sent events                                                                 |
| tail.py      | the thread that looks for changes                                                  |
| websocket.py | WebSockets                                                                         |
"""

from __future__ import annotations

from vault.sync.app import Live, claims

__all__ = ["Live", "claims"]
