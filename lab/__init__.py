"""Programs that make the weights of the embedded model and judge them.

The product never imports it. Its modules run as commands, so importing it sets how threads wait.
"""

from flashtalk.openmp import let_waiting_threads_sleep

let_waiting_threads_sleep()
