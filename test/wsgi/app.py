"""The applications of the behaviour table, as the C hosts route to them.

BEHAVE_LIBRARY is the library. With BEHAVE_VALIDATE wsgiref.validate watches
both sides, with BEHAVE_LOAD the library is loaded with this module.
"""

import os
import wsgiref.util
from wsgiref.validate import validator

from pillion_wsgi import Application

behave = Application(os.environ["BEHAVE_LIBRARY"], "behave", log_level=-4)
other = Application(os.environ["BEHAVE_LIBRARY"], "other")
if os.environ.get("BEHAVE_LOAD"):
    behave.load()


def typed(application):
    """validator wants a Content-Type even of an empty body, where net/http sends none."""
    def typing(environ, start_response):
        def start(status, headers, exc_info=None):
            if status[:3] not in ("204", "304") and not any(name.lower() == "content-type" for name, _ in headers):
                headers.append(("Content-Type", "text/plain"))
            return start_response(status, headers, exc_info)
        return application(environ, start)
    return typing


if os.environ.get("BEHAVE_VALIDATE"):
    behave, other = validator(typed(behave)), validator(typed(other))


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path.startswith("/other"):
        return other(environ, start_response)
    if path.startswith("/mounted/"):
        wsgiref.util.shift_path_info(environ)
    return behave(environ, start_response)
