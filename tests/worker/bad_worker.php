<?php

// A worker in raw frames, independent of the library; the body of the job says how it behaves.
$relay = getenv('RR_RELAY');
if ($relay === 'pipes') {
    [$in, $out] = [STDIN, STDOUT];
} elseif (preg_match('~^pipes://fd/(\d+):fd/(\d+)$~', $relay, $fds)) {
    [$in, $out] = [fopen("php://fd/$fds[1]", 'r'), fopen("php://fd/$fds[2]", 'w')];
} else {
    $in = $out = stream_socket_client($relay);
}
stream_set_read_buffer($in, 0);

function take($in, int $length): string
{
    for ($got = ''; strlen($got) < $length; $got .= $more) {
        $more = fread($in, $length - strlen($got));
        if ($more === '' || $more === false) {
            exit(0);
        }
    }
    return $got;
}

function frame(int $flags, string $options, string $payload): string
{
    $head = pack('CCV', 0x13 + intdiv(strlen($options), 4), $flags, strlen($payload));
    return $head . pack('V', crc32($head)) . "\0\0" . $options . $payload;
}

while (true) {
    $head = unpack('Cwords/Cflags/Vlength', take($in, 12));
    $options = take($in, 4 * (($head['words'] & 15) - 3));
    $payload = take($in, $head['length']);
    if ($head['flags'] & 1) {
        if (isset(json_decode($payload, true)['stop'])) {
            exit(0);
        }
        fwrite($out, frame(1, '', json_encode(['pid' => getmypid()])));
        continue;
    }
    $job = substr($payload, unpack('V', $options)[1]);
    $answer = frame(0, pack('V', 0), '{"type":0,"data":[]}');
    if ($job === 'crash') {
        fwrite(STDERR, "last words\n");
        exit(7);
    }
    if ($job === 'killed') {
        posix_kill(getmypid(), 9);
    }
    if ($job === 'hang') {
        while (true) {
            sleep(60);
        }
    }
    if ($job === 'garbage') {
        $answer = "Warning: something is undefined in worker.php\n";
    }
    if ($job === 'print') {
        fwrite(STDERR, "hello from the job\n");
    }
    if ($job === 'nap') {
        usleep(100000);
    }
    if ($job === 'slow') {
        usleep(3000);
    }
    fwrite($out, $job === 'twice' ? $answer . $answer : $answer);
    if ($job === 'leave') {
        exit(0);
    }
}
