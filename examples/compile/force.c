#include "force.h"

#include <math.h>

void kick(struct body *body, double dt)
{
    double r2 = body->x * body->x + body->y * body->y + SOFTENING * SOFTENING;
    double pull = dt / (r2 * sqrt(r2));
    body->vx -= body->x * pull;
    body->vy -= body->y * pull;
}
