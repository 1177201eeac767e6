"""What the Python binding does when things go right and wrong, a line each: check.py LIBRARY TARGET"""

import sys

import pillion

path, target = sys.argv[1:]
try:
    library = pillion.Library(path)
except pillion.Error as e:
    print("load:", e.status, e)
    sys.exit()


def attempt(what, act):
    try:
        act()
        print(what, "ok")
    except pillion.Aborted as e:
        print(what, e.status, e, f"[{e.response.status} {e.response.body.decode()}]")
    except pillion.Error as e:
        print(what, e.status, e)


def get(app, target, method="GET", body=b""):
    return library.call(app, {"REQUEST_METHOD": method, "REQUEST_URI": target, "CONTENT_LENGTH": str(len(body))}, body)


behave = library.app("behave")
attempt("early:", lambda: get(behave, "/"))
attempt("init:", lambda: library.init({"BEHAVE_X": "from the host"}, log_level=99))
attempt("again:", library.init)
attempt("nobody:", lambda: library.app("nobody"))
every = bytes(range(256)) * 4
print("echo:", "same" if get(behave, "/echo", "POST", every).body == every else "different")
print("env:", "there" if b"from the host" in get(behave, "/runtime?env=BEHAVE_X").body else "missing")
response = get(behave, target)
many = "|".join(value for name, value in response.headers if name == "X-Many")
print("response:", response.status, many, response.body.decode(), "=".join(response.trailers[0]))
attempt("cut:", lambda: get(behave, "/panic?n=10&flush=1"))
attempt("nothing:", lambda: get(behave, "/panic"))
attempt("stop:", library.stop)
attempt("late:", lambda: get(behave, "/"))
