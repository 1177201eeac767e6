/*
 * serve_by_call.c - a library whose pillion_serve() runs the handler on the
 * calling thread, by pillion_call(), for bench/apache.sh to compare with. It
 * takes everything else from the Pillion library that it is linked with. Bodies
 * of requests are not read.
 */

#include "pillion.h"

PILLION_EXPORT int32_t pillion_serve(const pillion_request *request, const pillion_io *io)
{
    pillion_request  whole = *request;
    pillion_response response = PILLION_RESPONSE_INIT;
    int32_t          rc;

    whole.flags = 0;
    rc = pillion_call(&whole, &response);
    if (rc != PILLION_OK) {
        return rc;
    }
    if (io->head(io->data, response.status, response.headers, response.headers_len) < 0
        || (response.body_len > 0 && io->write(io->data, response.body, response.body_len) < 0))
    {
        rc = PILLION_E_IO;
    }
    pillion_response_free(response.handle);
    return rc;
}
