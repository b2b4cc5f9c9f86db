<?php

/**
 * A worker that misbehaves as it is told. For a job the order is its payload as JSON, `{"do": "crash", "code": 7}`; for a request
 * it is the query, `/?do=crash&code=7`, or the path, `/crash?code=7`. Without an order it answers: jobs are completed, requests
 * get 200 and the text `ok`. Requests come with JSON contexts.
 *
 *   do        further keys (default)         what happens
 *   --------  -----------------------------  ------------------------------------------------------------------------------
 *   ok        ms (0)                         answers after a while
 *   pid                                      answers with the process id (requests only)
 *   request                                  answers with all it knows of the request as JSON (requests only)
 *   body      body                           answers a job with these bytes
 *   settle    how, message, requeue, delay,  complete, ack, fail, nack or requeue of our library (jobs only)
 *             headers
 *   error     message ("rude")               error frame
 *   stop                                     answers with {"stop":true}, so asks to be replaced
 *   crash     code (1)                       exits
 *   signal    signal (9)                     kills itself: 9 SIGKILL, 11 SIGSEGV, 6 SIGABRT
 *   fatal                                    memory limit exhausted: a fatal error of PHP
 *   throw     message                        uncaught exception
 *   half      bytes (20), then (exit)        a part of the answer, then exit, hang or go on
 *   garbage   bytes ("rude garbage, ..."),   bytes that are no frame, then hang, exit or go on; `before` sends them before a
 *             then (hang)                    proper answer
 *   twice     ms (0), error (0)              a second answer; with `error` the second one is an error frame
 *   idle      ms (50)                        a proper answer, says it is done, and later sends one to nobody
 *   silent                                   waits for the next without having answered
 *   hang      s (3600), cpu (0)              does not answer for long, asleep or busy
 *   leak      mib (64)                       keeps memory, answers; once more keeps more
 *   noise     stdout (0)                     echo, var_dump, warnings, then answers; with `stdout` also writes to STDOUT itself
 *   stderr    kib (1024)                     writes much to stderr, answers
 *   stream    chunks (3), ms (0), size (5),  a streamed answer; then exits with that code in the middle, or fails by an error
 *             die, fail, ping (0)            frame; `ping` sets PING on each chunk and does not look for a stop
 *   huge      mib (16)                       a big answer
 *   context   cut (1000000)                  a context longer than its payload
 *   option                                   a data frame without the option word
 *   crc                                      a header whose CRC is wrong
 *   length                                   a header that promises 4 GiB, then nothing
 *   control                                  a control frame that nobody asked for, then a proper answer
 *   status    status, header                 a request is answered with that status, and a header `X-Rude`
 *
 * Two keys go with all of them: `once`, a path: only while there is no such file, which is then made; else `ok`.
 *
 * Arguments:
 *   --boot=exit:3     exits at once with that code, after a line on stderr
 *   --boot=silent     never answers the handshake
 *   --boot=extension  calls a function of an extension that is not there
 *   --boot=slow:500   so many milliseconds before the handshake
 *   --boot=chatter    prints on stdout before the handshake
 *   --boot-once=PATH  the above only while there is no such file, which is then made
 *   --jobs=N          exits with 0 after N answers
 *   --ignore-stop     stays after the command to stop, and ignores SIGTERM and SIGINT
 */

declare(strict_types=1);

require __DIR__ . '/../../autoload.php';
require __DIR__ . '/behaviours.php';

$options = getopt('', ['boot:', 'boot-once:', 'jobs:', 'ignore-stop']);

if (isset($options['boot']) && Rude::first($options['boot-once'] ?? '')) {
    Rude::boot($options['boot']);
}
if (isset($options['ignore-stop'])) {
    pcntl_signal(SIGTERM, SIG_IGN);
    pcntl_signal(SIGINT, SIG_IGN);
}

$rude = new Rude();
for ($done = 0; $rude->serve(); ) {
    if (++$done === (int) ($options['jobs'] ?? 0)) {
        exit(0);
    }
}
while (isset($options['ignore-stop'])) {
    sleep(60);
}
