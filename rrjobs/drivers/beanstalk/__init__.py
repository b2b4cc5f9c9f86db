"""The driver of beanstalkd."""
