/* What a run shows while it goes: a line on stderr, redrawn on a terminal and printed now and then
 * elsewhere; and the log, a line of JSON for each step and figure. */
#include <unistd.h>

#include "base/clock.h"
#include "cli/numbers.h"
#include "cli/terminal.h"
#include "cli/train/run.h"

/* Seconds between lines where stderr is no terminal. */
static const double plain_interval = 10;

double run_seconds(const struct run *run)
{
    return run->seconds_before + (clock_now() - run->started);
}

void run_log(struct run *run, json_t *line)
{
    struct buf text = {0};

    /* A log that cannot be written does not end the training. */
    if (line && json_append(&text, line, JSON_COMPACT) == 0 && buf_append_byte(&text, '\n') == 0) {
        fwrite(text.data, 1, text.size, run->log);
        fflush(run->log);
    }
    buf_release(&text);
    json_decref(line);
}

static void draw(const struct run *run, const struct train_report *report, double rate)
{
    const struct trainer *trainer = &run->trainer;
    char time[NUMBER_SIZE];
    bool terminal = isatty(STDERR_FILENO) == 1;
    double left = (double)(trainer->total_steps - trainer->step) * (double)report->examples / rate;

    fprintf(stderr, "%sepoch %.2f  step %zu/%zu  loss %.4f  %.1f examples/s  ETA %s",
            terminal ? "\r" : "", (double)trainer->step / (double)trainer->epoch_steps,
            trainer->step, trainer->total_steps, run->mean_loss, rate, number_duration(time, left));
    if (run->curve_count)
        fprintf(stderr, "  dev %s %.2f", metric_name(run->metric),
                run->curve[run->curve_count - 1].value);
    fputs(terminal ? "\x1b[K" : "\n", stderr);
}

void run_show_step(struct run *run, const struct train_report *report)
{
    static double drawn;
    double now = clock_now(), share = 0.05;
    bool terminal = isatty(STDERR_FILENO) == 1;

    run->examples_done += report->examples;
    run->mean_loss = run->trainer.step == 1
                         ? report->loss
                         : run->mean_loss + share * (report->loss - run->mean_loss);
    double rate = (double)run->examples_done / (now - run->started + 1e-9);
    run_log(run,
            json_pack("{s:s, s:I, s:f, s:f, s:f, s:f, s:I, s:f}", "type", "step", "step",
                      (json_int_t)run->trainer.step, "epoch",
                      (double)run->trainer.step / (double)run->trainer.epoch_steps, "loss",
                      report->loss, "rate", report->rate, "gradient norm", report->gradient_norm,
                      "tokens", (json_int_t)report->tokens, "seconds", run_seconds(run)));
    if (run->options->quiet || now - drawn < (terminal ? 0.1 : plain_interval))
        return;
    drawn = now;
    draw(run, report, rate);
}

void run_show_figure(struct run *run, const struct figure *figure, bool best)
{
    run_log(run, json_pack("{s:s, s:I, s:s, s:f, s:b}", "type", "evaluation", "step",
                           (json_int_t)figure->step, "metric", metric_name(run->metric), "value",
                           figure->value, "best", (int)best));
    if (!run->options->quiet)
        fprintf(stderr, "%sstep %zu  dev %s %.2f%s\n", isatty(STDERR_FILENO) == 1 ? "\r\x1b[K" : "",
                figure->step, metric_name(run->metric), figure->value,
                best ? "  (best so far: written)" : "");
}
