<?php

declare(strict_types=1);

namespace RRJobs\Exception;

/**
 * The program answers what it has answered already, or what nobody asked. Nothing was sent: the server would retire
 * the worker for it.
 */
final class AlreadyAnsweredException extends \LogicException implements RRJobsException
{
}
