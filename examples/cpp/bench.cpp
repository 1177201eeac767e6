/*
 * What a call costs, and whether calls leave something behind:
 *
 *     make library
 *     export PKG_CONFIG_PATH=build LD_LIBRARY_PATH=build
 *     g++ -std=c++17 -O2 examples/cpp/bench.cpp $(pkg-config --cflags --libs pillion) -o build/bench-cpp
 *     build/bench-cpp 100000
 */

#include "pillion.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>

static std::string body = "name=" + std::string(1000, 'x');

static void run(const pillion::library &library, uint64_t hello, long calls)
{
    std::string               length = std::to_string(body.size());
    std::vector<pillion::pair> environ = {
        {"REQUEST_METHOD", "POST"}, {"REQUEST_URI", "/"}, {"SERVER_PROTOCOL", "HTTP/1.1"}, {"HTTP_HOST", "localhost"},
        {"CONTENT_TYPE", "application/x-www-form-urlencoded"}, {"CONTENT_LENGTH", length},
    };

    for (long i = 0; i < calls; i++) {
        pillion::response response = library.call(hello, environ, body);

        if (response.status() != 200 || response.body().size() != 1009) {
            throw std::runtime_error("status " + std::to_string(response.status()));
        }

        try {
            library.call(0, environ, body);

        } catch (const pillion::error &) {
            continue;
        }
        throw std::runtime_error("0 is no application");
    }
}

static long resident()
{
    std::ifstream status("/proc/self/status");

    for (std::string word; status >> word; ) {
        if (word == "VmRSS:") {
            long kib;

            status >> kib;
            return kib;
        }
    }

    return -1;
}

int main(int argc, char **argv)
{
    pillion_config  config = PILLION_CONFIG_INIT;
    long            calls = argc == 2 ? std::atol(argv[1]) : 100000;

    config.log_level = PILLION_LOG_ERROR;

    pillion::library  library(config);
    uint64_t          hello = library.app("hello");

    run(library, hello, calls / 10);

    long  before = resident();
    auto  start = std::chrono::steady_clock::now();

    run(library, hello, calls);

    std::chrono::duration<double, std::micro>  took = std::chrono::steady_clock::now() - start;

    std::printf("c++: %ld calls, %.1f us each, resident %ld KiB, then %ld KiB\n", calls, took.count() / calls, before, resident());

    return 0;
}
