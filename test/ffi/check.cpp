/* What the C++ wrapper does when things go right and wrong, a line each: check TARGET */

#include "pillion.hpp"

#include <functional>
#include <iostream>

static void attempt(const char *what, const std::function<void()> &act)
{
    std::cout << what << " ";

    try {
        act();
        std::cout << "ok\n";

    } catch (const pillion::aborted &e) {
        std::cout << e.status() << " " << e.what() << " [" << e.what_it_sent().status() << " " << e.what_it_sent().body() << "]\n";

    } catch (const pillion::error &e) {
        std::cout << e.status() << " " << e.what() << "\n";
    }
}

static pillion::response get(const pillion::library &library, uint64_t app, std::string_view target,
                             std::string_view method = "GET", std::string_view body = {})
{
    std::string length = std::to_string(body.size());

    return library.call(app, {{"REQUEST_METHOD", method}, {"REQUEST_URI", target}, {"CONTENT_LENGTH", length}}, body);
}

int main(int, char **argv)
{
    pillion_request   request = PILLION_REQUEST_INIT;
    pillion_response  early = PILLION_RESPONSE_INIT;
    pillion_pair      variable = {"BEHAVE_X", "from the host", 8, 13}, method = {"REQUEST_METHOD", "GET", 14, 3};
    pillion_config    config = PILLION_CONFIG_INIT;
    std::string       every;

    pillion_app_find("behave", 6, &request.app);
    request.environ = &method;
    request.environ_len = 1;
    attempt("early:", [&] { pillion::check(pillion_call(&request, &early)); });

    config.env = &variable;
    config.env_len = 1;
    config.log_level = 99;

    pillion::library  library(config);

    std::cout << "init: ok\n";
    attempt("again:", [] { pillion::library twice; });
    attempt("nobody:", [&] { library.app("nobody"); });

    uint64_t  behave = library.app("behave");

    for (int i = 0; i < 1024; i++) {
        every.push_back(static_cast<char>(i));
    }

    std::cout << "echo: " << (get(library, behave, "/echo", "POST", every).body() == every ? "same" : "different") << "\n";

    pillion::response  runtime = get(library, behave, "/runtime?env=BEHAVE_X");

    std::cout << "env: " << (runtime.body().find("from the host") != std::string_view::npos ? "there" : "missing") << "\n";

    pillion::response  response = get(library, behave, argv[1]);
    std::string        many;

    for (const auto &[name, value] : response.headers()) {
        if (name == "X-Many") {
            many.append(many.empty() ? "" : "|").append(value);
        }
    }

    std::cout << "response: " << response.status() << " " << many << " " << response.body() << " "
              << response.trailers()[0].first << "=" << response.trailers()[0].second << "\n";

    attempt("cut:", [&] { get(library, behave, "/panic?n=10&flush=1"); });
    attempt("nothing:", [&] { get(library, behave, "/panic"); });
    attempt("stop:", [] { pillion::check(pillion_stop(1000, 5000)); });
    attempt("late:", [&] { get(library, behave, "/"); });

    return 0;
}
