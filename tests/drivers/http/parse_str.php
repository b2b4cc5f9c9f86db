<?php

/**
 * What PHP itself makes of forms. On the command line: lines `[body, decoded]` of JSON on standard input, each answered by a line
 * `[equal, parsed]`, where `equal` says whether `decoded` is the array of parse_str, order included. Behind `php -S`: $_POST and
 * the names of $_FILES of each request.
 */

declare(strict_types=1);

const FLAGS = JSON_INVALID_UTF8_SUBSTITUTE | JSON_THROW_ON_ERROR;

if (PHP_SAPI !== 'cli') {
    echo json_encode([$_POST, array_map(static fn (array $file): mixed => $file['name'], $_FILES)], FLAGS);
    return;
}
while (($line = fgets(STDIN)) !== false) {
    [$body, $decoded] = json_decode($line, true, 512, JSON_THROW_ON_ERROR);
    parse_str($body, $parsed);
    echo json_encode([$parsed === $decoded, $parsed], FLAGS), "\n";
}
