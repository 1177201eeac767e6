/*
 * pillion.hpp - pillion.h for C++17: nothing to free by hand, failures are
 * exceptions. Header-only; link with the library (pkg-config pillion).
 *
 *     pillion::library library;
 *     pillion::response response = library.call(library.app("hello"), {
 *         {"REQUEST_METHOD", "GET"}, {"REQUEST_URI", "/"}});
 *
 * A library is an object because it has a beginning and an end; a process has
 * one. What a status or a field means stands in pillion.h.
 */

#ifndef PILLION_HPP
#define PILLION_HPP

#include <pillion.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pillion {

using pair = std::pair<std::string_view, std::string_view>;

/* A status that is not PILLION_OK. */
class error : public std::runtime_error {
public:
    explicit error(int32_t status)
        : std::runtime_error(std::string(name(status)) + ": " + pillion_strerror(status)), status_(status)
    {
    }

    int32_t status() const noexcept { return status_; }
    const char *name() const noexcept { return name(status_); }

private:
    static const char *name(int32_t status) noexcept
    {
        switch (status) {
#define PILLION_STATUS_NAME(name, number, text) case number: return #name;
            PILLION_STATUSES(PILLION_STATUS_NAME)
#undef PILLION_STATUS_NAME
        }

        return "unknown";
    }

    int32_t status_;
};

inline void check(int32_t status)
{
    if (status != PILLION_OK) {
        throw error(status);
    }
}

/* A whole response. Its views are valid as long as it, or what it was moved
 * to, lives. */
class response {
public:
    int status() const noexcept { return raw_->status; }
    std::string_view body() const noexcept { return view(raw_->body, raw_->body_len); }
    std::vector<pair> headers() const { return list(raw_->headers, raw_->headers_len); }
    std::vector<pair> trailers() const { return list(raw_->trailers, raw_->trailers_len); }

private:
    friend class library;

    struct release {
        void operator()(pillion_response *raw) const noexcept
        {
            pillion_response_free(raw->handle);
            delete raw;
        }
    };

    response() : raw_(new pillion_response PILLION_RESPONSE_INIT) {}

    static std::string_view view(const char *bytes, uint64_t length) noexcept
    {
        return length == 0 ? std::string_view() : std::string_view(bytes, length);
    }

    static std::vector<pair> list(const pillion_pair *items, uint32_t length)
    {
        std::vector<pair> pairs;

        pairs.reserve(length);
        for (uint32_t i = 0; i < length; i++) {
            pairs.emplace_back(view(items[i].name, items[i].name_len), view(items[i].value, items[i].value_len));
        }

        return pairs;
    }

    std::unique_ptr<pillion_response, release> raw_;
};

/* The application broke off: what_it_sent() has status 0 if nothing. */
class aborted : public error {
public:
    explicit aborted(response sent)
        : error(PILLION_E_ABORTED), sent_(std::make_shared<response>(std::move(sent)))
    {
    }

    const response &what_it_sent() const noexcept { return *sent_; }

private:
    std::shared_ptr<response> sent_; /* exceptions are copied */
};

/* The library from pillion_init() to pillion_stop(). */
class library {
public:
    explicit library(pillion_config config = PILLION_CONFIG_INIT, uint32_t drain_ms = 1000, uint32_t stop_ms = 5000)
        : drain_ms_(drain_ms), stop_ms_(stop_ms)
    {
        check(pillion_init(&config));
    }

    ~library() { pillion_stop(drain_ms_, stop_ms_); }

    library(const library &) = delete;
    library &operator=(const library &) = delete;

    /* The handle of the application registered under a name. */
    uint64_t app(std::string_view name) const
    {
        uint64_t handle;

        check(pillion_app_find(name.data(), name.size(), &handle));

        return handle;
    }

    /* pillion_call(), from any thread. */
    response call(uint64_t app, const std::vector<pair> &environ, std::string_view body = {},
                  const std::vector<pair> &headers = {}) const
    {
        std::vector<pillion_pair>  variables = pairs(environ), fields = pairs(headers);
        pillion_request            request = PILLION_REQUEST_INIT;
        response                   answer;

        request.app = app;
        request.environ = variables.data();
        request.environ_len = static_cast<uint32_t>(variables.size());
        request.headers = fields.data();
        request.headers_len = static_cast<uint32_t>(fields.size());
        request.body = body.data();
        request.body_len = body.size();

        int32_t status = pillion_call(&request, answer.raw_.get());

        if (status == PILLION_E_ABORTED) {
            throw aborted(std::move(answer));
        }
        check(status);

        return answer;
    }

private:
    static std::vector<pillion_pair> pairs(const std::vector<pair> &items)
    {
        std::vector<pillion_pair> array;

        array.reserve(items.size());
        for (const pair &item : items) {
            array.push_back({item.first.data(), item.second.data(), static_cast<uint32_t>(item.first.size()),
                             static_cast<uint32_t>(item.second.size())});
        }

        return array;
    }

    uint32_t drain_ms_, stop_ms_;
};

} /* namespace pillion */

#endif /* PILLION_HPP */
