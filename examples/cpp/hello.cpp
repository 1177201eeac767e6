/*
 * A request from C++ to a Go application. Build and run it, from the top of the tree:
 *
 *     make library
 *     export PKG_CONFIG_PATH=build LD_LIBRARY_PATH=build
 *     g++ -std=c++17 -Wall -Wextra -pedantic -Werror examples/cpp/hello.cpp $(pkg-config --cflags --libs pillion) -o build/hello-cpp
 *     build/hello-cpp hello '/?name=C%2B%2B'
 */

#include "pillion.hpp"

#include <iostream>

int main(int argc, char **argv)
{
    if (argc != 3) {
        std::cerr << "usage: hello-cpp APPLICATION TARGET\n";
        return 2;
    }

    try {
        pillion::library library;
        pillion::response response = library.call(library.app(argv[1]), {
            {"REQUEST_METHOD", "POST"},
            {"REQUEST_URI", argv[2]},
            {"SERVER_PROTOCOL", "HTTP/1.1"},
            {"HTTP_HOST", "localhost"},
            {"CONTENT_TYPE", "application/x-www-form-urlencoded"},
            {"CONTENT_LENGTH", "11"},
        }, "color=green");

        std::cout << response.status() << "\n";
        for (const auto &[name, value] : response.headers()) {
            std::cout << name << ": " << value << "\n";
        }
        std::cout << "\n" << response.body();

    } catch (const pillion::aborted &e) {
        std::cerr << e.what() << ", after " << e.what_it_sent().body().size() << " bytes\n";
        return 1;

    } catch (const pillion::error &e) {
        std::cerr << e.what() << "\n";
        return 1;
    }

    return 0;
}
