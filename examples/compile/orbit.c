/* One body around the origin by the leapfrog method: prints t, x, y a hundred times. */
#include "force.h"

#include <stdio.h>

int main(void)
{
    struct body body = {1.0, 0.0, 0.0, 0.8};
    const double dt = 1e-3;
    for (int step = 0; step < 10000; step++) {
        if (step % 100 == 0)
            printf("%.3f,%.9f,%.9f\n", step * dt, body.x, body.y);
        kick(&body, dt / 2);
        body.x += body.vx * dt;
        body.y += body.vy * dt;
        kick(&body, dt / 2);
    }
    return 0;
}
